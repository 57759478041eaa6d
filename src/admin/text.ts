/** What makes a text one that people can read. */
import { Format } from 'typebox/format'

const VISIBLE = /[^\p{Z}\p{Cc}\p{Cf}\p{Cs}\p{M}\p{Default_Ignorable_Code_Point}\u2800]/u

/** True if at least one character shows: not only blanks, marks, fillers, and what steers the text around it. */
export function isVisible(text: string): boolean {
  return VISIBLE.test(text)
}

/** False if half of a pair of surrogates stands alone: no character, and nothing UTF-8 or PostgreSQL can hold. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

/** Makes `format: 'visible'` known to the schemas. */
export function registerVisibleFormat(): void {
  Format.Set('visible', isVisible)
}
