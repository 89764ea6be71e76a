/* For a hidden `gr.HTML`: uploads the picture that is pasted from the keyboard while `#photo` is visible, and sets it as
the component's value. Gradio itself has only a button, which asks for a permission. */
document.addEventListener("paste", async (event) => {
    const file = [...event.clipboardData.files].find(({type}) => !type || type.startsWith("image/"));
    if (!file || !document.querySelector("#photo")?.checkVisibility()) return;
    props.value = {name: file.name, ...await upload(file)};
    trigger("change");
});
