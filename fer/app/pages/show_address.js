/* For the page's load: shows the snippets with the page's own address. `about.py` fills in HERE. */
(...snippets) => {
    const here = location.origin + location.pathname.replace(/\/?$/, "/");
    return snippets.map((snippet) => snippet.replaceAll("HERE", here));
}
