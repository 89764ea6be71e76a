/* For the `change` event of the `gr.HTML` with paste.js: converts its value to that of a `gr.Image`. */
(file) => ({path: file.path, url: file.url, orig_name: file.name, meta: {_type: "gradio.FileData"}})
