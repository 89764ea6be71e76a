/* For `launch`: the arrow keys choose a radio button. Gradio 6.31 gives each button a name of its own, so that the
browser takes them for groups of one. */
() => document.addEventListener("keydown", (event) => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!step || event.target.type !== "radio") return;
    event.preventDefault();
    const radios = [...event.target.closest("fieldset").querySelectorAll("input[type=radio]")];
    const next = radios.at((radios.indexOf(event.target) + step) % radios.length);
    next.focus();
    next.click();
})
