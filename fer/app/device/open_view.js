/* For a `gr.HTML` whose value is the page's language: once the page's switch is on, loads the script NAME, which fills
the component. `view.py` replaces ADDRESS and NAME. */
const root = element.querySelector(".device");
const findSwitch = () => document.querySelector("#NAME-switch input");
const open = async () => {
    try {
        const page = location.origin + location.pathname.replace(/\/?$/, "/");
        const script = await import(`${page}ADDRESS/page/NAME.js`);
        const view = await script.open(root, findSwitch());
        view.speak(props.value);
        watch("value", () => view.speak(props.value));
    } catch (error) {
        root.textContent = `⚠️ ${error.message}`;
        if (findSwitch().checked) findSwitch().click();
        listen();
    }
};
/* Opens the page once the switch is on: for the first time, or again after an error. */
const listen = () => {
    const openIfOn = () => {
        if (!findSwitch().checked) return;
        findSwitch().removeEventListener("change", openIfOn);
        open();
    };
    findSwitch().addEventListener("change", openIfOn);
};
const wait = () => {
    const input = findSwitch();
    if (!input) requestAnimationFrame(wait);
    else if (input.checked) open();
    else listen();
};
wait();
