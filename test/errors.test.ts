import { expect, test } from 'vitest'
import { z } from 'zod'
import { messageOf } from '../src/errors.ts'

test('the message of a zod error is one sentence with its first issues', () => {
  const refused = (schema: z.ZodType, value: unknown) => messageOf(schema.safeParse(value).error)
  const order = z.object({ id: z.int(), lines: z.array(z.object({ amount: z.number() })) })
  expect(refused(order, { id: 1, lines: [{ amount: 'ten' }] })).toBe(
    'lines.0.amount: Invalid input: expected number, received string',
  )
  expect(refused(z.string(), 5)).toBe('Invalid input: expected string, received number')
  expect(refused(z.array(z.string()), [1, 2, 3, 4, 5])).toMatch(/^0: .*; 1: .*; 2: [^;]+; and 2 more$/)
  expect(messageOf(new Error('as it is'))).toBe('as it is')
})
