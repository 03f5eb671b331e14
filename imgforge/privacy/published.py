"""Published secrets in Debian packages, which are not secret any more: by package, path and reason.

`make alarms` finds candidates; each one was reviewed before it was added. An entry identifies one secret by the hash of
all its bytes, so it cannot hide others. There are no passwords: someone else might use the same short one.
"""

from __future__ import annotations

Published = tuple[str, str, str, tuple[tuple[str, str], ...]]
"""Package, directory, why it is not a secret; and for each secret its SHA-256 and its path below the directory."""

EXAMPLES: tuple[Published, ...] = (
    (
        "ansible",
        "usr/lib/python3/dist-packages/ansible_collections/google/cloud/plugins/modules/",
        'the documentation\'s key "for testing"',
        (("5c4983e771246a77188a61a4a6230fee42096f846391d9e50c3559ec973e4e08", "gcp_compute_ssl_certificate.py"),),
    ),
    (
        "dovecot-core",
        "usr/lib/dovecot/",
        "ssl_iostream_test_settings_server: Dovecot tests itself with it",
        (("9f5e577867800cd7cc520cba4be139573e22804c7fba4108f87b2cb3621912d2", "libdovecot.so.0.0.0"),),
    ),
    (
        "gnutls-bin",
        "usr/bin/",
        "`gnutls-cli --benchmark-tls` measures with it: src/benchmark-tls.c",
        (
            ("82bf1f671fb9c8a3258e558e139ac450d787bb128c202e895b16a519691b0afc", "gnutls-cli"),
            ("c81f522cd948659c08ac4f3854b5d89ac5d2d1383ec83825e5ec746f35cc96a9", "gnutls-cli"),
            ("d609f09d5bc2b9038bff653e31ce4d594ea32f8647fe8414d094aacb69e9cd9b", "gnutls-cli"),
            ("de17676fa92eb580012434fae7e51503547a091aaf63d81e0520f35612a77f0f", "gnutls-cli"),
        ),
    ),
    (
        "golang-1.19-src",
        "usr/share/go-1.19/src/",
        "a key of Go's tests and examples",
        (
            ("8128f28f93655bef9146a47c4b521b3c90b48508d1403c69a3e7ba484eddd3e4", "crypto/tls/handshake_test.go"),
            ("c1e868dc5096e607fdb9088d34b649d3eb213dc73e764d6ed651e8133120a470", "crypto/tls/testdata/example-key.pem"),
            ("d03e32d8f0439fe63c7eb7b27030314ebc48c55d676e4f8fea0dad5d93bdadba", "crypto/tls/tls_test.go"),
            (
                "9115742bffb7e2787ea80ab36b3b95482293863ab44db62bcf57890ac709df2b",
                "net/http/internal/testcert/testcert.go",
            ),
            (
                "dc6b41eaf9eed8b0c775d6bedbc193f58a2041b089f6aa08522e77e23f09856d",
                "net/http/internal/testcert/testcert.go",
            ),
        ),
    ),
    (
        "golang-1.19-src",
        "usr/share/go-1.19/src/",
        "damaged on purpose: a test of Go's bzip2",
        (
            (
                "82afc498aaf9ffc73dc3cdc4fef609386d3e3f8c84aa6c73cc8b259f3d60186d",
                "compress/bzip2/testdata/fail-issue5747.bz2",
            ),
        ),
    ),
    (
        "libio-socket-ssl-perl",
        "usr/share/doc/libio-socket-ssl-perl/examples/",
        'the "Test CA" of an example',
        (("cd41507011dde27cafc0901a5436efca090f6845a44077858f018a939700a294", "simulate_proxy.pl"),),
    ),
    (
        "libmojolicious-perl",
        "usr/share/perl5/Mojo/IOLoop/resources/",
        "the built-in test certificate's: Mojo::IOLoop::Server(3pm)",
        (("41f13ae0534a3187270a4b4a7efdac5a76bd3a37d599445e6e6545197155c4be", "server.key"),),
    ),
    (
        "libnet-ssleay-perl",
        "usr/share/doc/libnet-ssleay-perl/examples/",
        "an example's",
        (("704446f37c43cfbca516433f1c1fcad72605024f9825fd8e97b6fd9774343154", "server_key.pem"),),
    ),
    (
        "openvpn",
        "usr/share/doc/openvpn/examples/sample-keys/",
        '"for testing purposes only": the README beside it',
        (
            ("522999bbfeac46c154f6b022df1a76b16d5c69d6733a093d33c7d77f0f16a226", "ca.key"),
            ("de142fbb8bc4722a131267dd2eed243c1257459e54fd2dffa81631e48c17ee60", "client-ec.key"),
            ("58a9fa028b4f0d4f6ae9f4e45c41fccd96c71cd3ddc7b28093b408d37f54834a", "client-pass.key"),
            ("867a6bc164dcee8470cd795b5ef41e45483a3b8aaf520bd6b5f651822bcccee7", "client.key"),
            ("730e69c12772d03365ae239d4fd76b5700dc6134d9c98f53174135e0507a26af", "client.p12"),
            ("65d45aaf0552df87b0fc465a767be517684fde67e47799f87acb22ad1c58cf5a", "server-ec.key"),
            ("8a0b2375dbee9e8757026eb04cb6b84ed3f9a1ad9f98578faecd36c43ab9827d", "server.key"),
            ("0b488cb1be9fb33bb07edbd46e4dc0ffe45c7fc87fa2455448b6f2ceaa3ccba1", "ta.key"),
        ),
    ),
    (
        "puma",
        "usr/share/doc/puma/examples/",
        "examples generate it for localhost",
        (
            ("bf187e6decce8abed1010a12e180ad72936ed0939b32d67dfe09eda9a4a118d6", "CA/private/cakeypair.pem"),
            ("a95c25b686ddd1a7cda65634fbac57664908de71b8142034bc3bcbd449db0056", "puma/client-certs/ca.key"),
            ("94498b3f298514d76564405d81929a933b4188b3a134997c43ddab14a18dacb5", "puma/client-certs/client.key"),
            (
                "d263764684524c3baa24bc1de99ee492a3dbe58a4b28148eeb2feb865c6caa7a",
                "puma/client-certs/client_unknown.key",
            ),
            ("bc10038b6660f0cb55dde7229248df0aa32ded28d99a2d37b9e944183fa96fd0", "puma/client-certs/keystore.jks"),
            ("73a16c663e985ac5fb5bb36a534b9309f8bf3a1f4be068516020080fd29a1aee", "puma/client-certs/server.key"),
            ("ecf27dbc36f9f27a8631aa88179f1b84f5192c1ce57d946131bcd825328cc92d", "puma/client-certs/server.p12"),
            ("580901c4cfc720ac9f9fb03523b4e7040c7f3bccd9563be01e4c34fae9afe1f0", "puma/client-certs/unknown_ca.key"),
            ("c22ecf6cee70371d2b23a38d855bc7356e3172c9b74ae71bf7e3f037d77bcf25", "puma/keystore.jks"),
            ("ddeafccd5d6531cb9a2e2332364a8bce317c6e54048ba19d4be2abc75b1d34d3", "puma/puma_keypair.pem"),
            ("98ea7107425f583514e15b13387ea69efd20a6c0cfe450a88cc2bbd6f66fe9d7", "puma/server.p12"),
        ),
    ),
    (
        "python3-aiohttp",
        "usr/share/doc/python3-aiohttp/examples/",
        "an example's",
        (("584706b6cb72e8d490295f970830320f841fc520d3445e26ccc4a0ebd5b2c2fd", "server.key"),),
    ),
    (
        "python3-pycryptodome",
        "usr/lib/python3/dist-packages/Cryptodome/SelfTest/",
        "a vector of a self-test",
        (
            ("f15f6d7e385c7f45b89a7fd6fabe45693fe197ce36a4958f5e2f6df33aea9454", "Cipher/test_pkcs1_15.py"),
            ("380c0cbb9a12974db3d1bcc317fbc3dbe49bb339071ca99ea8bf6c8256f95028", "PublicKey/test_import_DSA.py"),
            ("a53cd71ecd8a1efdb9855ac955c140a196668446fbf296d89bef89b1bb4b6591", "PublicKey/test_import_DSA.py"),
            ("df4a540c20e6146bfaf7665bad9d2a23c8e93ade9afbe76846832c099ba8bc33", "PublicKey/test_import_DSA.py"),
            ("ead929f420026605ca67e30b478ea9399ae694732970153ea5842617b0ca73f9", "PublicKey/test_import_DSA.py"),
            ("12ca9b8dc33066d3c9981f4579329adc6970bf2baf04755fec11e6d362749e28", "PublicKey/test_import_ECC.py"),
            ("1def74aaa7154ae6c06f4c1825ce6f394e3875b3ed254c1d8bc832f2b7a48084", "PublicKey/test_import_ECC.py"),
            ("5b47657ec8e94eb0e2246f8b1f604c1e6c52ed0c46cfa57505abf1a54f04cc92", "PublicKey/test_import_ECC.py"),
            ("6c313877b95004a8f8a7e390134030b7f717c2a5c85603c28746c6ca34eb3492", "PublicKey/test_import_ECC.py"),
            ("6ff6c65bf5c45e545203ea2aaa8a02fd30231c235b76ac2f85f68c51a55b680d", "PublicKey/test_import_ECC.py"),
            ("a1351119dbf32ed79504393ef77f94c22a341d7d23fe675a1c55e4f071cf3916", "PublicKey/test_import_ECC.py"),
            ("d955e8eb2110e4693d33e85f084e1ed89a7651daad3b2942b7ee13256be2c566", "PublicKey/test_import_ECC.py"),
            ("2d6bdc6d5ab4b552ab0f8cb026e01c8af6158b90e206d1c9bd21aadd590ebbee", "PublicKey/test_import_RSA.py"),
            ("8968db45a700a6a3f243c8ddf38a20a6be3ff629b16e7ef1c9fe85388baf23cc", "PublicKey/test_import_RSA.py"),
            ("983e6e4aafe5aadfb32da114913e4cb9310af4c43a954d111210b7c0a73fca98", "PublicKey/test_import_RSA.py"),
            ("cc5778a9de8937d4806ac6d98ef1d2d0685438706097b03214e48048b2efd953", "PublicKey/test_import_RSA.py"),
            ("d397bea55ed0a9b935c7cdfbc3f443f01e62a1a6e23a3c81e296c088feace2be", "Signature/test_pss.py"),
        ),
    ),
    (
        "python3-tornado",
        "usr/lib/python3/dist-packages/tornado/test/",
        "a key of Tornado's tests",
        (("5c47debfd438fe0e2ef55cb2e2ff70b3f113e5283d13a3caf68d02209651e19f", "test.key"),),
    ),
    (
        "python3-twisted",
        "usr/lib/python3/dist-packages/twisted/",
        "a key of Twisted's tests",
        (
            ("09ae610bca03a3eef4d648d946583b1f31a88d2823034739849ffc56a24b9212", "conch/test/keydata.py"),
            ("0b2c4e8b0a6decd6b1e70871bed4828b4d6da78177c3c6f3e96eb4555aaf0583", "conch/test/keydata.py"),
            ("21861b299c91a22c0a4e13a23a9358ee31913fdee9001e482f48da5ed901c644", "conch/test/keydata.py"),
            ("263897033335ddff1b6670768878d7ccc4c43226e197acdf5bd0250f98a80885", "conch/test/keydata.py"),
            ("51f172e9fcd409dbaa2a5b02a1fdc95251c4d264755f5441ddab4a3cd4b3147a", "conch/test/keydata.py"),
            ("568ff063f1396d19b4c14888f46d3341228209851f2e3e176adf93100ea18a41", "conch/test/keydata.py"),
            ("5aabf9097407179b2a9a02a5a4b134782a2eeb2b0bb5503e0e2841686795c736", "conch/test/keydata.py"),
            ("703f9d04babdb9d178da7c035774837120cad9681420c17527f36da3ce1a5993", "conch/test/keydata.py"),
            ("7cf2f107d002467ea21a9ef07537bfa3ea2dd23ae2d5f8ff6ba431471c8d7403", "conch/test/keydata.py"),
            ("88fe695fe42d8ecb69f56a6f0708ce7ec3996c76c866b7bb0eb76e684e5ef363", "conch/test/keydata.py"),
            ("9de5d93026e2eeeff4d18752534cd0bd78f022e148ba9ac0f842a583ab026bb8", "conch/test/keydata.py"),
            ("a7ff95d51017c7f3c91884d50612808d46b3b0a60e2b2f948316b01646fe426f", "conch/test/keydata.py"),
            ("ab5d2e35f9afff9264fdb11ee01b03e55ef74553532437794ffd4b1661bf09a1", "conch/test/keydata.py"),
            ("c8e1fe06069e218639afa40b6fe47871c1f6994fe15d3aff6014b291835f7458", "conch/test/keydata.py"),
            ("d5c9408f758e80f18e423cc3d8baa3cd5f5a9ad276bec46c52da86346db9c9a6", "conch/test/keydata.py"),
            ("efb05661edbd70b75b7ad9123dd473c1fb7bc28025db11288aeb2f0d565472d8", "conch/test/keydata.py"),
            ("31761af00a5f284021996f5edcf1b9602d91f3b6a0b6569179f2c7feb2243449", "conch/test/test_keys.py"),
            ("f72f2c1137a35f7980eaca7acb19a1f6861990b3dbe36056827173ea05ed1e33", "test/key.pem.no_trailing_newline"),
        ),
    ),
    (
        "systemd",
        "usr/share/man/man5/",
        "example 17 of systemd.netdev(5)",
        (("08136314cc06d4f2e8e9bf82cb999595f0a3ef7f9ffc0e2960cf849e1f5c09d2", "systemd.netdev.5.gz"),),
    ),
)
"""Private keys made for tests or examples, and a file that is damaged on purpose."""

LEAKED: tuple[Published, ...] = (
    (
        "ansible",
        "usr/lib/python3/dist-packages/ansible_collections/dellemc/",
        "a Red Hat offline token of a maintainer, issued in March 2023",
        (("b6da2d51e8a9b93c06d4e27cb200ce5600d33a72baf7952032a2a12c4616c28d", "unity/ansible.cfg"),),
    ),
    (
        "golang-1.19-src",
        "usr/share/go-1.19/src/debug/elf/testdata/",
        "the environment of a Go developer, in a core dump that is a test's input",
        (
            ("14a5babca217340521d8a3866ef35c8a28b73a4de1a854a44b8e32a251abaa5e", "hello-world-core.gz"),
            ("da231ddc273a91c197e7bebd12e9b2d706bc48e234bbf796d4457f86d39d38e1", "hello-world-core.gz"),
        ),
    ),
    (
        "python3-jwt",
        "usr/share/doc/python3-jwt/",
        "an Auth0 test tenant's token that was valid for ten seconds in 2019",
        (("5378c34b3221f227a0857331ca137dccb312ffd37a108b7e53a491c689238f0b", "changelog.gz"),),
    ),
)
"""Tokens that their owners published by mistake or in a bug report, long ago and on all Debian mirrors.

The person who builds an image does not own them and cannot revoke them. Add a token only with its origin.
"""
