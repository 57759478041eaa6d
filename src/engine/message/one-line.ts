/**
 * Text that is safe to write into one header line or the start line. A line end in it would start a header of its own
 * (header injection), and a character above 0xff would lose bits on the way out and could become one: the first is
 * replaced by a space, the second by its UTF-8 bytes. Text of the parser never needs either.
 */
export function oneLine(text: string): string {
  if (!/[\0\r\n\u0100-\uffff]/.test(text)) return text
  return text
    .replace(/[\0\r\n]+/g, ' ')
    .replace(/[\u0100-\uffff]+/g, (wide) => Buffer.from(wide, 'utf8').toString('latin1'))
}
