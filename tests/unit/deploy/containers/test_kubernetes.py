"""A workload of Kubernetes becomes the pod that podman plays."""

from deploy.containers.kubernetes import PROBES, configured, documents_of, pod_of, replica_of


def test_a_pod_is_the_workloads_own_but_for_what_podman_can_t():
    (workload, *_) = documents_of("api.yaml")
    (written,) = workload["spec"]["template"]["spec"]["containers"]
    pod = pod_of(workload, {"http": 8081}, {"RTCDP_LOG": "kafka://there/topic"})
    assert pod["metadata"]["name"] == workload["metadata"]["name"]
    (played,) = pod["spec"]["containers"]
    same = {*written} - {"image", "env", "envFrom", "ports", "volumeMounts", *PROBES}
    assert "envFrom" not in played
    assert {name: played[name] for name in same} == {name: written[name] for name in same}
    assert played["image"] == f"localhost/{written['image']}"
    assert played["env"] == [{"name": "RTCDP_LOG", "value": "kafka://there/topic"}]
    assert set(configured()) >= {"RTCDP_LOG", "RTCDP_STORE", "RTCDP_TRUST_NETWORK"}
    assert played["ports"][0]["hostPort"] == 8081
    assert (
        pod["spec"]["securityContext"] == (workload["spec"]["template"]["spec"]["securityContext"])
    )
    assert [each["mountPath"] for each in played["volumeMounts"]] == ["/data"]


def test_the_manifest_is_left_as_it_is():
    (workload, *_) = documents_of("embedded.yaml")
    pod_of(workload, {"http": 1}, {"RTCDP_TRUST_NETWORK": "false"})
    assert documents_of("embedded.yaml")[0] == workload


def test_replicas_have_names_and_volumes_of_their_own():
    (workload, *_) = documents_of("processor.yaml")
    pods = [pod_of(replica_of(workload, number), {}, {}) for number in range(2)]
    assert [pod["metadata"]["name"] for pod in pods] == ["rtcdp-processor-0", "rtcdp-processor-1"]
    (one,), (other,) = (pod["spec"]["volumes"] for pod in pods)
    assert one["persistentVolumeClaim"] != other["persistentVolumeClaim"]
    assert documents_of("processor.yaml")[0] == workload
