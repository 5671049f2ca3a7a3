/** Which call this tab is in; survives a reload of this tab, and only of this tab. */

const KEY = 'housecall.call';

export function holdTab(call: string | null): void {
  try {
    if (call) sessionStorage.setItem(KEY, call);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Without storage a reload ends the call for this tab.
  }
}

export function heldByThisTab(call: string): boolean {
  try {
    return sessionStorage.getItem(KEY) === call;
  } catch {
    return false;
  }
}
