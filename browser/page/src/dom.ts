/** A little less to write. */
export const byId = <E extends HTMLElement = HTMLElement>(id: string): E =>
  document.getElementById(id) as E;

/** Only where it has changed, so that a screen reader is not told the same again. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  className = '',
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export function makeSvg(name: string, attributes: Record<string, string | number>): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, `${value}`);
  return made;
}

/** <dl> of words and what they come to. */
export function facts(pairs: readonly (readonly [string, string])[]): HTMLDListElement {
  const list = make('dl');
  for (const [word, value] of pairs) list.append(make('div', '', make('dt', '', word), make('dd', '', value)));
  return list;
}
