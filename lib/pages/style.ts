/** How do the pages look? */
import { paper } from '../util/contrast.ts'

/**
 * The stylesheet of all pages. Text has a contrast of at least 4.5 in both color schemes, borders
 * of controls at least 3 (WCAG 2.2 §1.4.3, §1.4.11). Texts of clients wrap, and long addresses
 * scroll, so that they hide nothing else. Addresses and names of scopes run from left to right.
 *
 * The form stays in view, but on screens so low that it would hide the text.
 *
 * `form::after` covers Allow until the pointer was on the page, without a click there, for a
 * second: a click that another window prepared does not count (DoubleClickjacking). Keys work at
 * once. Where no pointer hovers, as on phones, the second begins when the page has loaded.
 */
export const style = `
:root { color-scheme: light dark; --ink: #16191d; --soft: #565d68; --paper: ${paper.light}; --desk: #f5f6f8;
  --line: #dfe2e7; --edge: #848b96; --accent: #1d4ed8;
  --warn: #7a4a00; --warn-paper: #fff8eb; --warn-line: #ecd3a1 }
@media (prefers-color-scheme: dark) {
:root { --ink: #eceef1; --soft: #a6aeba; --paper: ${paper.dark}; --desk: #101215;
  --line: #33383f; --edge: #7b838f; --accent: #93b4ff;
  --warn: #f3c777; --warn-paper: #2a2317; --warn-line: #574723 }
}
* { box-sizing: border-box }
html { scroll-padding-bottom: 6rem }
body { margin: 0; padding: clamp(1rem, 8vh, 4.5rem) 1rem; background: var(--desk);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; -webkit-text-size-adjust: 100% }
main { --pad: 2rem; max-width: 30rem; margin: auto; padding: var(--pad); background: var(--paper);
  border: 1px solid var(--line); border-radius: 1rem; overflow-wrap: anywhere }
main > :last-child:not(form) { margin-bottom: 0 }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; text-wrap: balance }
h2 { margin: 1.75rem 0 .5rem; font-size: .875rem; font-weight: 600 }
h2, .soft, dt, small, li span + code { color: var(--soft) }
p { margin: .75rem 0 }
.soft { margin: .5rem 0; font-size: .875rem }
div.soft { margin-top: 1.75rem; padding-top: .25rem; border-top: 1px solid var(--line) }
.soft > p { margin: .25rem 0 }
.logo { display: inline-block; min-width: 3rem; margin-bottom: 1.25rem; padding: 0 .75rem;
  border-radius: .75rem; background: var(--accent); color: var(--paper);
  font-weight: 700; line-height: 3rem; text-align: center }
.logo-image { display: block; max-width: 100%; height: 3rem; margin-bottom: 1.25rem; object-fit: contain }
dl { margin: 0; border: 1px solid var(--line); border-radius: .75rem; background: var(--desk) }
dl > div { padding: .75rem 1rem; overflow: hidden }
dl > div + div { border-top: 1px solid var(--line) }
dt { font-size: .8125rem }
dd { margin: .125rem 0 0 }
dd strong { font-size: 1.0625rem; font-weight: 600 }
code, small { direction: ltr; unicode-bidi: isolate }
small { display: block; max-height: 4.25rem; overflow-y: auto;
  font: .8125rem/1.5 ui-monospace, monospace }
[dir=rtl] :is(small, code) { text-align: right }
.mark, .warning { border: 1px solid var(--warn-line); border-radius: .75rem;
  background: var(--warn-paper); color: var(--warn) }
.mark { display: inline-block; padding: 0 .5rem; font-size: .75rem; line-height: 1.375rem }
.warning { margin-top: .75rem; padding: .75rem 1rem; font-size: .9375rem }
.warning strong { display: block }
h1 + dl { margin-top: 1.25rem }
ul { margin: 0 0 1rem; padding: 0; list-style: none }
dd > :last-child { margin-bottom: 0 }
li { padding: .25rem 0 }
.ticks li { position: relative; padding-inline-start: 1.5rem }
.ticks li::before { position: absolute; inset-inline-start: .3125rem; top: .5rem; width: .3125rem;
  height: .625rem; border: solid var(--accent); border-width: 0 2px 2px 0; content: '';
  transform: rotate(45deg) }
code { font: .875em ui-monospace, monospace }
li span + code { font-size: .75rem }
details { margin-bottom: 1rem }
details ul:not(.ticks) li { display: flex; flex-wrap: wrap; justify-content: space-between; column-gap: 1rem }
summary { padding: .375rem 0; cursor: pointer }
.soft:where(span) { margin: 0 }
a { color: var(--accent) }
main > form { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; position: sticky; bottom: 0;
  z-index: 1; margin: 1rem calc(-1 * var(--pad)) calc(-1 * var(--pad)); padding: 1rem var(--pad);
  border-top: 1px solid var(--line); border-radius: 0 0 1rem 1rem; background: var(--paper) }
button { min-height: 3rem; padding: .5rem 1rem; border: 1px solid var(--edge);
  border-radius: .625rem; background: none; color: inherit; font: inherit; font-weight: 600; cursor: pointer }
button:hover { background: var(--desk) }
button[value=approve], main > form::after { grid-area: 1 / 2 }
main > form::after { z-index: 1; animation: uncover 0s 1s forwards; content: '' }
@keyframes uncover { to { visibility: hidden } }
@media (hover: hover) {
main > form::after { animation: none; cursor: progress }
html:hover main > form::after { visibility: hidden; transition: visibility 0s 1s }
html:hover main > form:active:not(:has(button:active))::after { visibility: visible; transition: none }
}
button[value=approve] { border-color: var(--accent); background: var(--accent); color: var(--paper) }
button[value=approve]:hover { text-decoration: underline }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
@media (max-width: 30rem) {
body { padding: 0; background: var(--paper) }
main { --pad: 1.25rem; border: 0; border-radius: 0 }
main > form { border-radius: 0 }
.ticks li span + code { display: block }
}
@media (max-height: 20rem) { main > form { position: static } }
`
