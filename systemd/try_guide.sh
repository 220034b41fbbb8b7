#!/usr/bin/env bash
# Types the commands of docs/operations.md, as they stand there, into a clean Debian with systemd.
#
#     sudo systemd/try_guide.sh /var/tmp/clean-root
#
# For maintainers, before a release. Needs root, and Debian's debootstrap and systemd-container; takes some
# ten minutes, 2 GB, and, while it lasts, the ports 4242, 8042, 11112 and 11180 of this machine. The folder
# must not be there before; it is kept, to look at, and can be deleted after. Exit code 0: every command did
# what the guide says.
set -euo pipefail

root=${1:?"name a folder that is not there yet"}
[[ ! -e $root ]] || { echo "$root is there already" >&2; exit 2; }
cd "$(dirname "$0")/.."

# The code blocks below a heading, or the so-manieth of them, without what is typed into an editor.
blocks() {
    awk -v heading="## $1" -v wanted="${2:-}" '
        /^## / { here = ($0 == heading) }
        here && /^```/ { inside = !inside; count += inside; next }
        here && inside && (wanted == "" || count == wanted)
    ' docs/operations.md
}

guest() { # a command as an administrator types it, there
    nsenter --target "$init" --mount --uts --ipc --net --pid --cgroup \
        env -i HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        "${passed[@]}" bash -e "${@:2}" -c "cd ${folder:-/}; $1" < /dev/null
}

typed() { # a section, and the number of its block
    echo "== $1 ${2:-}"
    local text
    text=$(blocks "$@")
    [[ -n $text ]] || { echo "the guide has no such block" >&2; exit 1; }
    folder=/root/clone guest "$text" -x
}

echo "== a clean Debian 12"
debootstrap --include=systemd-sysv,dbus,ca-certificates bookworm "$root" > "$root.log"
git clone --quiet . "$root/root/clone"
cp -L /etc/resolv.conf "$root/etc/"
echo "127.0.1.1 $(uname --nodename)" >> "$root/etc/hosts"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp /etc/pip.conf "$root/etc/" 2> /dev/null || true
# How packages are fetched from here.
mapfile -t passed < <(env | grep -E '^(PIP_|SSL_CERT_FILE=|https?_proxy=)' || true)

echo "== boot"
systemd-nspawn --quiet --directory "$root" --register=no --keep-unit --console=pipe --boot \
    < /dev/null > "$root.boot.log" 2>&1 &
container=$!
trap 'kill -RTMIN+4 "$init" 2> /dev/null || kill "$container"; wait "$container" || true' EXIT
for _ in {1..60}; do
    init=$(pgrep --parent "$container" --exact systemd) && break
    sleep 1
done
for _ in {1..60}; do
    guest 'systemctl is-system-running --wait' 2> /dev/null | grep -qE 'running|degraded' && break
    sleep 1
done

echo "== a PACS, and who sends"
guest 'export DEBIAN_FRONTEND=noninteractive
apt-get install --yes --no-install-recommends curl dcmtk orthanc > /root/peers.log
sed -i "s/\"DicomAet\" : \"ORTHANC\"/\"DicomAet\" : \"PACS\"/" /etc/orthanc/orthanc.json
systemctl restart orthanc'

typed Install 1
# What "Configure" asks for stands in the example: a PACS of this name and port. The web service is chosen.
guest "sed -i 's/^# port = 11180/port = 11180/' /etc/dicomnode/node.toml"
typed Install 2

echo "== a study with a mark"
folder=/root/clone guest 'mkdir -p /root/study; /opt/dicomnode/bin/python - <<END
from pathlib import Path
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from benchmarks.soaked.material import Material, Plan

for number, item in enumerate(Material(Plan(1, 1), 1).study(0)):
    one = dcmread(DicomBytesIO(item.data_set), force=True)
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    one.save_as(Path(f"/root/study/{number:02}.dcm"), enforce_file_format=True)
END'
folder=/root guest "$(blocks Configure 1 | sed 's/FOLDER/study/')"
arrived='for _ in {1..100}; do
    sudo -u dicomnode dicomnode jobs --state published | grep -q accepted && exit; sleep 2
done; exit 1'
guest "$arrived"

typed "In three parts" 1
guest 'for part in receiver worker web; do systemctl is-active dicomnode-$part; done
for _ in {1..50}; do curl -sf http://127.0.0.1:11180/health/ready && exit; sleep 1; done; exit 1'
guest 'systemctl disable --now dicomnode.target dicomnode-receiver dicomnode-worker dicomnode-web
systemctl enable --now dicomnode'

typed "Back up and restore" 1
typed "Back up and restore" 2
guest "$arrived"
guest 'dicomnode audit verify'
typed "Upgrade and roll back" 1
guest "$arrived"
guest '! journalctl -p warning -o cat -u "dicomnode*" | grep -E "mode is different|Traceback"'
echo "== every command did what the guide says"
