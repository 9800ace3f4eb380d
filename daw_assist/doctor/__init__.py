"""`daw-assist doctor`: what works on this machine, what does not, and what to do about it.

finding   what is asked and what is found          table    the checks, one line each
machine, ports, sync, engine, budget, sound   the checks   runner   each within its time, in a process that can be ended
command   options, the list, JSON
"""

from daw_assist.doctor.command import add_options, run

__all__ = ["add_options", "run"]
