/**
 * The one stylesheet of our pages. Text has a contrast of at least 4.5 in both schemes, edges of
 * controls at least 3 (WCAG 2.2 §1.4.3, §1.4.11); the words of strangers wrap, stay in their box,
 * and push nothing out of sight: long addresses scroll.
 */
export const style = `
:root { color-scheme: light dark; --ink: #16191d; --soft: #565d68; --paper: #fff; --desk: #f3f4f6; --inset: #f7f8fa; --line: #dfe2e7; --edge: #848b96;
  --accent: #1d4ed8; --on-accent: #fff; --warn: #7a4a00; --warn-paper: #fff8eb; --warn-line: #ecd3a1 }
@media (prefers-color-scheme: dark) { :root { --ink: #eceef1; --soft: #a6aeba; --paper: #1a1d21; --desk: #101215; --inset: #212429; --line: #33383f; --edge: #7b838f;
  --accent: #93b4ff; --on-accent: #0c1526; --warn: #f3c777; --warn-paper: #2a2317; --warn-line: #574723 } }
* { box-sizing: border-box }
body { margin: 0; padding: clamp(1rem, 8vh, 4.5rem) 1rem; background: var(--desk); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; -webkit-text-size-adjust: 100% }
main { max-width: 30rem; margin: auto; padding: 2rem; background: var(--paper); border: 1px solid var(--line); border-radius: 1rem; box-shadow: 0 1px 2px #0000000a, 0 8px 24px #0000000a; overflow-wrap: anywhere }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; letter-spacing: -.01em }
h2 { margin: 1.75rem 0 .5rem; font-size: .875rem; font-weight: 600; color: var(--soft) }
p { margin: .75rem 0 }
main > :last-child { margin-bottom: 0 }
p.soft { margin: .5rem 0; color: var(--soft); font-size: .875rem }
.logo { display: inline-block; min-width: 3rem; margin: 0 0 1.25rem; padding: 0 .75rem; border-radius: .75rem; background: var(--accent); color: var(--on-accent); font-weight: 700; line-height: 3rem; text-align: center }
dl { margin: 0; border: 1px solid var(--line); border-radius: .75rem; background: var(--inset) }
dl > div { padding: .75rem 1rem; overflow: hidden }
dl > div + div { border-top: 1px solid var(--line) }
dt { color: var(--soft); font-size: .8125rem }
dd { margin: .125rem 0 0 }
dd strong { font-size: 1.0625rem; font-weight: 600 }
dd small { display: block; max-height: 6rem; margin-top: .125rem; overflow-y: auto; color: var(--soft); font: .8125rem/1.5 ui-monospace, monospace }
.mark { display: inline-block; padding: 0 .5rem; border: 1px solid var(--warn-line); border-radius: 1rem; background: var(--warn-paper); color: var(--warn); font-size: .75rem; line-height: 1.375rem; vertical-align: 1px }
.warning { margin: .75rem 0 0; padding: .75rem 1rem; border: 1px solid var(--warn-line); border-radius: .75rem; background: var(--warn-paper); color: var(--warn); font-size: .9375rem }
.warning strong { display: block }
.warning + .warning { margin-top: .5rem }
ul { margin: 0; padding: 0; list-style: none }
ul + p.soft { margin-top: 1rem }
li { position: relative; padding: .25rem 0 .25rem 1.5rem }
li::before { position: absolute; left: .3125rem; top: .5rem; width: .3125rem; height: .625rem; border: solid var(--accent); border-width: 0 2px 2px 0; content: ''; transform: rotate(45deg) }
code { font: .875em ui-monospace, monospace }
li span + code { color: var(--soft); font-size: .75rem }
a { color: var(--accent) }
form { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; margin-top: 1.75rem }
button { min-height: 3rem; padding: .5rem 1rem; border: 1px solid var(--edge); border-radius: .625rem; background: none; color: inherit; font: inherit; font-weight: 600; cursor: pointer }
button:hover { background: var(--inset) }
button[value=approve] { border-color: var(--accent); background: var(--accent); color: var(--on-accent) }
button[value=approve]:hover { filter: brightness(1.1) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
@media (max-width: 30rem) {
  body { padding: 0; background: var(--paper) }
  main { padding: 1.5rem 1.25rem; border: 0; border-radius: 0; box-shadow: none }
  li span + code { display: block }
}
`
