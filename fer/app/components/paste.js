/* For a hidden `gr.HTML`: uploads the picture that is pasted from the keyboard while `#photo` is visible, and sets it as
the component's value; of several pictures only the last. Gradio itself has only a button, which asks for a permission. */
let latest;
document.addEventListener("paste", async (event) => {
    const file = [...event.clipboardData.files].find(({type}) => !type || type.startsWith("image/"));
    if (!file || !document.querySelector("#photo")?.checkVisibility()) return;
    latest = file;
    // The server refuses a value without an upload, and the page then says to try again.
    const uploaded = await upload(file).catch(() => ({path: ""}));
    if (latest !== file) return;
    props.value = {name: file.name, ...uploaded};
    trigger("change");
});
