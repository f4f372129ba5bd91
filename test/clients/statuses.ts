// Which statuses do clients treat alike?

const hundredFrom = (first: number) => Array.from({ length: 100 }, (_, index) => first + index)

/** 4xx but 401, after which clients log in. */
export const clientErrors: readonly number[] = hundredFrom(400).filter(status => status !== 401)

/** The same, and 5xx. */
export const errors: readonly number[] = [...clientErrors, ...hundredFrom(500)]
