/**
 * STUN on the SIP port, as far as RFC 5626 §4.4.2 and §8 need it: phones keep a UDP flow alive with Binding requests,
 * and learn from a changed answer that their NAT has given them another address (RFC 8489 §5, §14.2).
 */
import { isIPv4 } from 'node:net'

const bindingRequest = 0x0001
const bindingResponse = 0x0101
const magicCookie = 0x2112a442
const xorMappedAddress = 0x0020
const headerBytes = 20

/** SIP begins with a letter, STUN with two zero bits: the first byte tells them apart (RFC 5626 §8). */
export function isStun(data: Buffer): boolean {
  return data.length >= headerBytes && (data[0] ?? 0xff) < 4 && data.readUInt32BE(4) === magicCookie
}

/** The answer to a Binding request from that (canonical) address; undefined for anything else, which stays unanswered. */
export function answerStun(request: Buffer, address: string, port: number): Buffer | undefined {
  if (request.readUInt16BE(0) !== bindingRequest) return undefined
  if (request.readUInt16BE(2) !== request.length - headerBytes) return undefined
  const bytes = addressBytes(address)
  const answer = Buffer.alloc(headerBytes + 8 + bytes.length)
  request.copy(answer, 0, 0, headerBytes)
  answer.writeUInt16BE(bindingResponse, 0)
  answer.writeUInt16BE(8 + bytes.length, 2)
  answer.writeUInt16BE(xorMappedAddress, headerBytes)
  answer.writeUInt16BE(4 + bytes.length, headerBytes + 2)
  answer.writeUInt8(bytes.length === 4 ? 1 : 2, headerBytes + 5)
  answer.writeUInt16BE(port ^ (magicCookie >>> 16), headerBytes + 6)
  // The address is masked with the cookie and the transaction id behind it.
  bytes.forEach((byte, index) => answer.writeUInt8(byte ^ (request[4 + index] ?? 0), headerBytes + 8 + index))
  return answer
}

function addressBytes(address: string): number[] {
  if (isIPv4(address)) return address.split('.').map(Number)
  const [head = '', tail] = address.split('::')
  const groups = (text: string | undefined) =>
    text ? text.split(':').map((group) => parseInt(group, 16)) : []
  const before = groups(head)
  const after = groups(tail)
  const zeros = new Array<number>(8 - before.length - after.length).fill(0)
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff])
}
