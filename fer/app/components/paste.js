/* For a hidden `gr.HTML`: uploads the picture that is pasted from the keyboard while `#photo` is visible, and sets it as
the component's value; of several pictures only the last, and none if another photo was chosen while it was uploaded.
Gradio itself has only a button, which asks for a permission. */
let latest;
const shown = () => document.querySelector("#photo img")?.src;
document.addEventListener("paste", async (event) => {
    const file = [...event.clipboardData.files].find(({type}) => !type || type.startsWith("image/"));
    if (!file || !document.querySelector("#photo")?.checkVisibility()) return;
    latest = file;
    const before = shown();
    // The server refuses a value without an upload, and the page then says to try again.
    const uploaded = await upload(file).catch(() => ({path: ""}));
    if (latest !== file || shown() !== before) return;
    props.value = {name: file.name, ...uploaded};
    trigger("change");
});
