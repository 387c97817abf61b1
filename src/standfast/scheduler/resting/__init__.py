"""What is at rest is left out: a plan's cost grows with what changed, not with the cluster.

A resource is at rest when the last run found nothing to do about it. As long as nothing that its decision depends on changes, the
next run would find the same, so only what it does to *others* is repeated: the nodes' counts go up, numbers of actions are used.

    layout.py   which resources belong together, as constraints tie them
    still.py    what stands for a resource at rest in a run: one row more in the table of variants.py
    quiet.py    who was at rest in a run that is over
    keeper.py   who is at rest now, by what was written to the document since

Invariant, and why it is complete: what is kept of a resource is what a run over the whole document as it is now would find. The
decision about resources that belong together is a function of

* their own elements, and constraints that name them: a write to one of those wakes them all (`written`, and `Layout` again);
* their histories on all nodes: one that is read anew wakes its owner;
* the nodes: their states, and those attributes that something looked at, are compared with the last run's; fail counts and
  promotion scores are their owner's alone, and wake it. Anything else that differs wakes everybody;
* options, defaults, templates, tags, tickets, the root's attributes: a write to one of those wakes everybody;
* how many resources each node has in its turn, where nodes were equal otherwise: compared in that turn (still.py);
* the time: whoever asks for it never rests. Neither does whoever has something to say.

Actions of resources that don't belong together meet only where an action belongs to no resource: fencing, shutdown, unfencing. A
run that has one of those leaves nobody out. Capacities, shutdown locks, Pacemaker Remote nodes and bundles: the same.
"""
