import ssl
import stat

import pytest
from cryptography import x509

from voiceagent.gateway.certificate import make_self_signed


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("192.168.1.5", {"localhost", "192.168.1.5"}),
        ("talk.example", {"localhost", "talk.example"}),
        ("localhost", {"localhost"}),
    ],
)
def test_self_signed_certificate_is_for_the_host_and_localhost(host, names):
    cert, _ = make_self_signed(host)
    certificate = x509.load_pem_x509_certificate(cert.read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in found} == names


def test_self_signed_pair_fits_and_its_key_is_private():
    cert, key = make_self_signed("localhost")
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
