// Elements of index.html by id, with their type checked once at start.

export function byId<E extends HTMLElement>(id: string, type: new () => E): E {
  const element = document.getElementById(id)
  if (!(element instanceof type)) throw new Error(`index.html: no ${type.name} #${id}`)
  return element
}

/** Writes a text only where it differs, so that live regions do not speak twice. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
}
