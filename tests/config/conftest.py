"""The small conf/ tree in place of the shipped one."""

from tests.small_conf import command as command
from tests.small_conf import conf as conf
