/* For a click event: saves a text as a file. `save_text` replaces CONTENT, KIND and NAME. */
(answer) => {
    if (!answer) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([CONTENT], {type: "KIND"}));
    link.download = "NAME";
    link.click();
    URL.revokeObjectURL(link.href);
}
