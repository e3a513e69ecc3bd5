#!/bin/bash
# Runs as root whenever the notebook instance starts, for five minutes at most; its log goes to CloudWatch Logs.
# The first argument, absent there, is a folder to take for /.
set -euo pipefail
root="${1:-}"
install -d "$root/opt/whippet" "$root/etc/systemd/system"

cat >"$root/opt/whippet/notebook_idle.py" <<'PROGRAM'
@PROGRAM@
PROGRAM

cat >"$root/etc/systemd/system/whippet-idle.service" <<'UNIT'
[Unit]
Description=Stop this notebook instance when nobody works in it

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /opt/whippet/notebook_idle.py @IDLE_MINUTES@
UNIT

cat >"$root/etc/systemd/system/whippet-idle.timer" <<'UNIT'
[Unit]
Description=Look every five minutes whether anybody works in this notebook instance

[Timer]
OnBootSec=5min
OnUnitActiveSec=5min

[Install]
WantedBy=timers.target
UNIT

systemctl daemon-reload
systemctl enable --now whippet-idle.timer
systemctl is-active whippet-idle.timer
