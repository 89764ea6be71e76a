/* For a change of uploads, and for an answer that arrives: empties the page's answer if it is that of other uploads.
`empty_others` replaces EMPTY. */
(uploads, answer, ...shown) => {
    const places = [uploads ?? []].flat().map((file) => file.path.split("/").slice(-2).join("/"));
    if (JSON.stringify(places) === JSON.stringify(answer?.uploads ?? [])) return [];
    const locked = {__type__: "update", interactive: false};
    const hide = (html) => `<div style="visibility: hidden">${html}</div>`;
    return [{uploads: places}, locked, locked, ...EMPTY];
}
