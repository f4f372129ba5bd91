declare module 'autocannon' {
  interface Request {
    headers?: Record<string, string>
    body?: string
  }
  interface Options {
    url: string
    connections: number
    /** Seconds. */
    timeout: number
    duration?: number
    amount?: number
    method: string
    headers: Record<string, string>
    body?: string
    requests?: Array<{ setupRequest: (request: Request) => Request }>
  }
  interface Result {
    statusCodeStats?: Record<string, { count?: number }>
    errors: number
    duration: number
  }
  export default function autocannon (options: Options): Promise<Result>
}
