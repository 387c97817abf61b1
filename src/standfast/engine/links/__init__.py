"""Datagrams between peers: sealed, fragmented, numbered, and only then believed.

Owns: AEAD sealing (keys from the authkey by HKDF), sessions and their challenge, the replay window, fragments, which link of a
peer works. Does not own: silence (detector/), views, order. No IO: bytes in, bytes out.

The face of the room (class `Links` in links.py), pure:

    Links(config: LinksConfig, entropy: Entropy)
    links.receive(now_us, link, source, datagram) -> Inbound(messages: tuple[Message, ...], replies: tuple[SendDatagram, ...],
                                                             reports: tuple[Report, ...])
        Message(peer: NodeId, session: int, link: int, data: bytes); `session` differs for each boot of the peer's engine
    links.send(now_us, peer, data, *, all_links=False) -> tuple[SendDatagram, ...]
        data up to MESSAGE_BYTES_MAX (fragmented here); before a session stands, only the handshake goes out and data is dropped
    links.greet(now_us, peer) -> tuple[SendDatagram, ...]     starts or repeats the handshake with a peer without a session
    links.session(peer) -> int | None
    links.health(peer) -> tuple[LinkHealth, ...]              address and last_heard_us by link
    links.rotate(keys: KeyRing)
"""
