# The app, without Keras and TensorFlow. Its steps were tested in a virtual environment; the image has not been built yet.
#   docker build -t fer . && docker run --rm -p 127.0.0.1:7860:7860 fer
# `-e FER_MODEL=OWNER/NAME` serves another model (`fer app --help`). Everyone who reaches the published port can use the app.
FROM python:3.12-slim
RUN useradd --create-home --uid 1000 user
RUN --mount=type=bind,target=/source,rw pip install --no-cache-dir "/source[app]"
USER user
WORKDIR /home/user
# All interfaces of the container; `-p 127.0.0.1:…` above publishes the port on this machine only.
ENV GRADIO_SERVER_NAME=0.0.0.0
EXPOSE 7860
CMD ["fer", "app"]
