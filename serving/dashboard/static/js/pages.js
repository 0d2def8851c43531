// Lists that go back in time: the newest page is read again by its turn, older ones stay as they were read.

import { get } from "./api.js";
import { el, notify } from "./dom.js";

/** The items of a list: the resource's newest page and the older ones that the reader asked for. */
export class Pages {
  constructor(resource, id, onMore) {
    this.resource = resource;
    this.id = id;
    this.onMore = onMore;
    this.older = [];
    this.shown = []; // the newest page as it was last drawn
    this.next = undefined; // not asked for yet: the newest page says where it goes on
  }

  items() {
    const newest = this.resource.value?.items;
    if (!newest) return null;
    const ids = new Set(newest.map((item) => item[this.id]));
    // What newer items pushed off the newest page stays, so that no gap opens before the older ones.
    if (this.next !== undefined) this.older = [...this.shown, ...this.older].filter(unseen(ids, this.id));
    this.shown = newest;
    return [...newest, ...this.older];
  }

  cursor() {
    return this.next === undefined ? (this.resource.value?.next ?? null) : this.next;
  }

  async more() {
    const before = this.cursor();
    if (before === null) return;
    const path = typeof this.resource.path === "function" ? this.resource.path() : this.resource.path;
    try {
      const found = await get(`${path}&before=${encodeURIComponent(before)}`);
      this.older.push(...found.items);
      this.next = found.next;
      this.onMore();
    } catch (error) {
      notify(`Older ones cannot be read: ${error.message}`);
    }
  }
}

/** Return a filter that lets each item through once, and none of `ids`. */
function unseen(ids, id) {
  const seen = new Set(ids);
  return (item) => !seen.has(item[id]) && Boolean(seen.add(item[id]));
}

/** A button for the next older page; nothing where the list ends. */
export const moreButton = (pages) =>
  pages.cursor() === null
    ? null
    : el(
        "p",
        { class: "empty" },
        el("button", { type: "button", data: { key: `more-${pages.id}` }, on: { click: () => pages.more() } }, "Older"),
      );
