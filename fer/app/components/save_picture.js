/* For a click event: saves the picture of a `gr.Image`. */
(picture) => {
    if (!picture) return;
    const link = document.createElement("a");
    link.href = picture.url;
    link.download = "";
    link.click();
}
