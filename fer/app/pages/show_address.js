/* For the page's load event: puts the page's own address into the snippets. `about.py` replaces HERE. */
(...snippets) => {
    const here = location.origin + location.pathname.replace(/\/?$/, "/");
    return snippets.map((snippet) => snippet.replaceAll("HERE", here));
}
