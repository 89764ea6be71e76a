/* For the page's load: drops a camera's frames that come while one is being sent. Gradio's server keeps only the newest
frame while it answers one, but its page sends them all: on a slow line they would queue in the browser, and the answers
come later and later. */
const send = window.fetch;
let sending = false;
window.fetch = (address, options) => {
    if (!/\/stream\/[^/]+$/.test(address)) return send(address, options);
    if (sending) return Promise.resolve(new Response("{}"));
    sending = true;
    return send(address, options).finally(() => { sending = false; });
};
