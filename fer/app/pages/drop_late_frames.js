/* For the page's load event: drops a camera's frame while an earlier one is still being sent. While Gradio's server
answers a frame it keeps only the newest of the next ones, but its page sends them all: on a slow connection they would
queue in the browser, and answers would come later and later. */
const send = window.fetch;
let sending = false;
window.fetch = (address, options) => {
    if (!/\/stream\/[^/]+$/.test(address)) return send(address, options);
    if (sending) return Promise.resolve(new Response("{}"));
    sending = true;
    return send(address, options).finally(() => { sending = false; });
};
