/* For a hidden `gr.HTML`: its value becomes the picture that was pasted with the keys while `#photo` is in sight.
Gradio's own paste is a button that asks for a permission. */
document.addEventListener("paste", async (event) => {
    const file = [...event.clipboardData.files].find((file) => file.type.startsWith("image/"));
    if (!file || !document.querySelector("#photo")?.checkVisibility()) return;
    props.value = {name: file.name, ...await upload(file)};
    trigger("change");
});
