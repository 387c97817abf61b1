"""Datagrams between peers: sealed, fragmented, numbered, and only then believed.

Owns: AEAD sealing (keys from the authkey by HKDF), sessions and their challenge, the replay window, fragments, which link of a
peer works. Does not own: silence (detector/), views, order. No IO: bytes in, bytes out.

The face of the room (class `Links` in links.py), pure:

    Links(config: LinksConfig, entropy: Entropy)
    LinksConfig(local, cluster_name, peers: Mapping[NodeId, tuple[Address | None, ...]], local_addresses, keys: KeyRing,
                mtu_bytes=1400, priorities=(), link_lag_ms=500);  KeyRing(send: AuthKey, also: AuthKey | None);  AuthKey(bytes)
    links.receive(now_us, link, source, datagram) -> Inbound(messages: tuple[Message, ...], replies: tuple[SendDatagram, ...],
                                                             reports: tuple[Report, ...], established: tuple[NodeId, ...])
        Message(peer: NodeId, session: int, link: int, data: bytes); `session` differs for each boot of the peer's engine
    links.send(now_us, peer, data, *, all_links=False) -> tuple[SendDatagram, ...]
        data up to MESSAGE_BYTES_MAX (fragmented here); before a session stands, only the handshake goes out and data is dropped;
        with all_links a message arrives once by each link. Large data that is sent again byte for byte fills the holes that the
        first sending left, so retransmit the same bytes
    links.greet(now_us, peer) -> tuple[SendDatagram, ...]     starts or repeats the handshake; `send` does so by itself too, at
                                                              most every 100 ms, and once a second when a session is silent
    links.session(peer) -> int | None
    links.health(peer) -> tuple[LinkHealth, ...]              address and last_heard_us by link
    links.counters -> tuple[tuple[str, int], ...]             datagrams not believed, by reason
    links.rotate(keys: KeyRing)
"""
