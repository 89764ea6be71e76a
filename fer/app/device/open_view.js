/* For a `gr.HTML`: has the script NAME fill it. Its value is the page's language; `view.py` fills in ADDRESS and NAME. */
const root = element.querySelector(".device");
const page = location.origin + location.pathname.replace(/\/?$/, "/");
import(`${page}ADDRESS/page/NAME.js`)
    .then(async ({ open }) => {
        const view = await open(root, document.querySelector("#NAME-switch"));
        view.speak(props.value);
        watch("value", () => view.speak(props.value));
    })
    .catch((error) => {
        root.textContent = `⚠️ ${error.message}`;
        document.querySelector("#NAME-switch input:checked")?.click();
    });
