/** RFC 3261 §16.7 step 6 as a table. */
import t from 'tap'
import { bestResponse } from '../../../src/engine/proxy/best-response.js'

const real = (status: number) => ({ status, local: false })
const local = (status: number) => ({ status, local: true })

const table: [string, ReturnType<typeof real>[], number][] = [
  ['6xx beats everything', [real(404), real(603), real(302)], 603],
  ['the lowest class wins', [real(500), real(404), real(302)], 302],
  ['a challenge beats other 4xx', [real(404), real(407)], 407],
  ['what a device said beats what we made up', [local(408), real(486), local(430)], 486],
  ['a real 5xx loses to a made-up 4xx: the class comes first', [real(500), local(408)], 408],
  ['busy is more telling than unavailable', [real(480), real(486)], 486],
  ['of equals the first', [real(404), real(410)], 404],
]

for (const [name, responses, expected] of table) {
  t.test(name, async (t) => {
    t.equal(responses[bestResponse(responses)]?.status, expected)
  })
}

t.test('there is no best of none', async (t) => {
  t.equal(bestResponse([]), -1)
})
