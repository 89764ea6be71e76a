/* For the page's head: lets the server decide whether a file is a photo or a clip. Gradio 6.31 refuses a file by its
media type, which the browser derives from the file's name; on some systems a browser knows no type for HEIC, for MPEG-TS
or for a name without a suffix. A preview that the browser cannot show is hidden, instead of the error "Video not
playable".
`scripts.py` replaces SUFFIXES by the suffixes that file dialogs are to show as well, by kind of file. */
() => {
    const suffixes = SUFFIXES;
    const kinds = {photo: "image", clip: "video"};
    const kindOf = (element) => kinds[element.closest?.("#photo, #clip")?.id];
    const fits = (file, kind) => file.type.startsWith(`${kind}/`);
    const retype = (files, kind) => {
        const transfer = new DataTransfer();
        for (const file of files) {
            const type = fits(file, kind) ? file.type : `${kind}/x-unknown`;
            transfer.items.add(new File([file], file.name, {type}));
        }
        return transfer;
    };
    const misfits = (files, kind) => kind && [...(files ?? [])].some((file) => !fits(file, kind));

    document.addEventListener("click", ({target}) => {
        const kind = target.type === "file" && kindOf(target);
        if (kind && !target.accept.includes(suffixes[kind])) target.accept += `, ${suffixes[kind]}`;
    }, true);
    document.addEventListener("change", (event) => {
        const {target} = event;
        const kind = target.type === "file" && kindOf(target);
        if (!misfits(target.files, kind)) return;
        event.stopImmediatePropagation();
        target.files = retype(target.files, kind).files;
        target.dispatchEvent(new Event("change", {bubbles: true}));
    }, true);
    document.addEventListener("drop", (event) => {
        const {target, dataTransfer} = event;
        const kind = kindOf(target);
        if (!misfits(dataTransfer?.files, kind)) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        const options = {dataTransfer: retype(dataTransfer.files, kind), bubbles: true, cancelable: true};
        target.dispatchEvent(new DragEvent("drop", options));
    }, true);

    const isPreview = ({target}) => target.matches?.("#photo img, #clip video");
    const show = (event, visibility) => isPreview(event) && (event.target.style.visibility = visibility);
    document.addEventListener("error", (event) => {
        show(event, "hidden");
        if (isPreview(event)) event.stopImmediatePropagation();
    }, true);
    for (const name of ["load", "loadeddata"]) document.addEventListener(name, (event) => show(event, ""), true);
}
