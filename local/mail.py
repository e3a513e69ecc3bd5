"""Subscriptions of topics by e-mail: what would be sent lies in STATE/mail, a file a message for any mail program.

As on AWS the first message asks for a confirmation, and nothing else comes until its link was opened.
"""

import email.message
import email.utils
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from local import joints_sns

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
PROTOCOLS = ("email", "email-json")
SENDER = "AWS Notifications <no-reply@sns.amazonaws.com>"
ASKED = "asked-for-confirmation"
logger = logging.getLogger("embedded-aws.mail")


class Mail:
    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url

    def install(self) -> None:
        joints_sns.wrap_fanout(self._publish)
        joints_sns.wrap_call("_subscribe", self._subscribe)
        for name in ("_list_subscriptions", "_list_subscriptions_by_topic"):
            joints_sns.wrap_call(name, self._list)

    def look(self) -> None:
        """Ask those whose subscriptions are new, whoever made them."""
        for topic in joints_sns.topics():
            for subscription in topic["subscriptions"]:
                if subscription["protocol"] in PROTOCOLS and ASKED not in subscription:
                    self._ask(topic["arn"], subscription)

    def _ask(self, topic: str, subscription: dict[str, Any]) -> None:
        token = secrets.token_hex(32)
        subscription.update({ASKED: True, "confirmed": False, "token": token})
        subscription["attributes"].update(PendingConfirmation="true", ConfirmationWasAuthenticated="false")
        link = f"{self._url}/?{urlencode({'Action': 'ConfirmSubscription', 'TopicArn': topic, 'Token': token})}"
        text = f"You have chosen to subscribe to the topic:\n{topic}\n\nTo confirm this subscription, open:\n{link}\n"
        self._write(subscription["endpoint"], "AWS Notification - Subscription Confirmation", text)

    def _subscribe(self, original: Callable[[Foreign], Foreign], params: Foreign) -> Foreign:
        answer = original(params)
        self.look()
        return joints_sns.without_arns(answer, "pending confirmation")

    def _list(self, original: Callable[[Foreign], Foreign], params: Foreign) -> Foreign:
        self.look()
        return joints_sns.without_arns(original(params), "PendingConfirmation")

    def _publish(self, topic: str, deliveries: list[tuple[dict[str, Any], str]], subject: str) -> None:
        """`deliveries`: the subscriptions that the message is for, and it as each is to have it."""
        self.look()
        for subscription, message in deliveries:
            if subscription["protocol"] in PROTOCOLS and subscription["confirmed"]:
                self._write(
                    subscription["endpoint"], subject or "AWS Notification Message", f"{message}\n\n--\n{topic}\n"
                )

    def _write(self, receiver: str, subject: str, text: str) -> None:
        message = email.message.EmailMessage()
        message["From"], message["To"], message["Subject"] = SENDER, receiver, " ".join(subject.split())
        message["Date"], message["Message-ID"] = email.utils.formatdate(), email.utils.make_msgid(domain="localhost")
        message.set_content(text)
        name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}.eml"
        try:
            self._folder.mkdir(exist_ok=True)
            (self._folder / name).write_bytes(bytes(message))
        except OSError as error:
            logger.warning("a message to %s is lost: %s", receiver, error)
