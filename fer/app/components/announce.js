/* For the page's head: marks the messages of the pages as live regions, so that screen readers announce an answer. Gradio's
Markdown has no role. */
() => {
    const messages = "#message, #batch-message, #video-message, #live-message";
    const mark = () => {
        for (const element of document.querySelectorAll(messages)) element.setAttribute("role", "status");
    };
    new MutationObserver(mark).observe(document, {childList: true, subtree: true});
}
