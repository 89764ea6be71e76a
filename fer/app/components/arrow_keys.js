/* For the page's head: lets the arrow keys choose a radio button. Gradio 6.31 gives each button a different name, so
that the browser treats each as a group of its own. */
() => document.addEventListener("keydown", (event) => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!step || event.target.type !== "radio") return;
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;  // A shortcut, such as Alt+Left.
    event.preventDefault();
    const radios = [...event.target.closest("fieldset").querySelectorAll("input[type=radio]")];
    const next = radios.at((radios.indexOf(event.target) + step) % radios.length);
    next.focus();
    next.click();
})
