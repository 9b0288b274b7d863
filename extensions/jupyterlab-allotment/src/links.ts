/** Addresses in answers: only pages of the web are linked. */

/** Return an address that may be linked, or null. */
export function pageAddress(address: string | null | undefined): string | null {
  return address && /^https?:\/\//i.test(address) ? address : null;
}

/** Return the address of the hub's home page, or null. */
export function homePage(hub: string): string | null {
  const address = pageAddress(hub);
  return address && `${address.replace(/\/+$/, '')}/home`;
}
