# docker build --tag registry.example.com/kgate:0.1.0 .
FROM python:3.13-slim-trixie AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
WORKDIR /src
COPY . .
RUN scripts/wheel
RUN python -m venv /opt/kgate
RUN /opt/kgate/bin/pip install --no-cache-dir build/kgate-*.whl "psycopg[binary]"
# Twisted keeps a list of its plugins where they are, and could not write it there later.
RUN /opt/kgate/bin/twistd --help

FROM python:3.13-slim-trixie
COPY --from=build /opt/kgate /opt/kgate
ENV PATH=/opt/kgate/bin:/usr/local/bin:/usr/bin:/bin
USER 10001:10001
# `kgate audit`, `kgate clusters check` and their like look for kgate.yaml here.
WORKDIR /etc/kgate
ENTRYPOINT ["twistd", "-n", "--pidfile=", "kgate"]
