"""What makes the failover IP right on OpenStack's side: ports, allowed address pairs, the address's own port.

    wish.py        what the CIB wants of the cloud          model.py     what Neutron answered, as typed values
    requests.py    what is asked of the cloud               replies.py   what an answer means
    plan.py        what has to change (pure comparison)     round.py     one look at the cloud, and the changes that follow
    reconciler.py  when to look, how often, what to say     identity.py  which port a network card is

Owns: what is asked of the cloud and when, and what an answer means. Does not own: sessions, credentials, sockets (runtime/), when
a resource starts or stops: nothing here ever delays or stops an address, and a failover needs no call.
"""
