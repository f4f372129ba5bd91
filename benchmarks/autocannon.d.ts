declare module 'autocannon' {
  interface Request {
    headers?: Record<string, string>
  }
  interface Options {
    url: string
    connections: number
    duration: number
    method: string
    headers: Record<string, string>
    body: string
    requests?: Array<{ setupRequest: (request: Request) => Request }>
  }
  interface Result {
    '2xx': number
    non2xx: number
    errors: number
    duration: number
  }
  export default function autocannon (options: Options): Promise<Result>
}
