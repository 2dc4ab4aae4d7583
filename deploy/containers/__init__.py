"""The containers of `deploy/`, built and run with podman, without any registry of images.

`make containers` (`python -m deploy.containers`) makes what the Dockerfile and the compose file
start from out of Debian's packages and Maven's jars, under the names that those files ask for,
builds the images of rtcdp, brings up both profiles, asks them, kills a part, plays the pods of the
Kubernetes manifests, and takes everything down. `stand_ins/` has what stands for the images of
others; docs/deployment.md says what each one is, and what is left out.
"""
