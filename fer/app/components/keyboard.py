"""What Gradio's components do not do with keys, in JavaScript."""

ARROW_KEYS = """() => document.addEventListener("keydown", (event) => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!step || event.target.type !== "radio") return;
    event.preventDefault();
    const radios = [...event.target.closest("fieldset").querySelectorAll("input[type=radio]")];
    const next = radios.at((radios.indexOf(event.target) + step) % radios.length);
    next.focus();
    next.click();
})"""
"""For `launch`: Gradio 6.31 names each radio button differently, so that the browser takes them for groups of one."""
PASTE = """document.addEventListener("paste", async (event) => {
    const file = [...event.clipboardData.files].find((file) => file.type.startsWith("image/"));
    if (!file || !document.querySelector("#photo")?.checkVisibility()) return;
    props.value = {name: file.name, ...await upload(file)};
    trigger("change");
});"""
"""For a hidden `gr.HTML`, whose value is then the picture that was pasted with the keys, while `#photo` is in sight.
Gradio's own paste is a button that asks for a permission."""
PASTED = """(file) => ({path: file.path, url: file.url, orig_name: file.name, meta: {_type: "gradio.FileData"}})"""
"""For its `change`: the value of a `gr.Image`."""
