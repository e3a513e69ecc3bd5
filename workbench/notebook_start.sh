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

# Our notebooks, beside what people keep there; nothing of theirs is written over, and without them it starts all the same.
notebooks='@NOTEBOOKS@'
work="$root/home/ec2-user/SageMaker"
if [ -n "$notebooks" ]; then
    if aws --region '@REGION@' s3 cp --only-show-errors "$notebooks" "$root/tmp/whippet-notebooks.tar.gz" &&
        sudo -u ec2-user tar --extract --gzip --skip-old-files --directory "$work" \
            --file "$root/tmp/whippet-notebooks.tar.gz" &&
        sudo -u ec2-user tee "$work/whippet/stage.json" >/dev/null <<<'@STAGE@'; then
        echo "our notebooks are in $work/whippet"
    else
        echo "our notebooks could not be fetched"
    fi
fi

systemctl daemon-reload
systemctl enable --now whippet-idle.timer
systemctl is-active whippet-idle.timer
