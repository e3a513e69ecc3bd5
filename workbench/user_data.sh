#!/bin/bash
# Runs as root at the first start of a box. Its log is /var/log/cloud-init-output.log.
# The first argument, absent there, is a folder to take for /.
set -euo pipefail
root="${1:-}"
install -d "$root/opt/whippet/work" "$root/etc/systemd/system" "$root/usr/local/bin"

cat >"$root/etc/whippet.json" <<'SETTINGS'
@SETTINGS@
SETTINGS

cat >"$root/opt/whippet/box.py" <<'PROGRAM'
@PROGRAM@
PROGRAM

cat >"$root/usr/local/bin/whippet-train" <<'COMMAND'
#!/bin/bash
# PyTorch is in an environment of its own on a Deep Learning AMI.
python=/opt/pytorch/bin/python
[ -x "$python" ] || python=python3
exec sudo --preserve-env=PATH "$python" /opt/whippet/box.py train "$@"
COMMAND
chmod 755 "$root/usr/local/bin/whippet-train"

cat >"$root/etc/systemd/system/whippet-idle.service" <<'UNIT'
[Unit]
Description=Stop this box when nobody uses it

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /opt/whippet/box.py idle
UNIT

cat >"$root/etc/systemd/system/whippet-idle.timer" <<'UNIT'
[Unit]
Description=Look every minute whether anybody uses this box

[Timer]
OnBootSec=1min
OnUnitActiveSec=1min

[Install]
WantedBy=timers.target
UNIT

# First of all, so that a box whose data cannot be fetched stops all the same.
systemctl daemon-reload
systemctl enable --now whippet-idle.timer

python3 "$root/opt/whippet/box.py" --settings "$root/etc/whippet.json" fetch \
    || echo "whippet: nothing fetched yet; whippet-train fetches again"
