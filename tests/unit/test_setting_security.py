"""Settings that guard a door stay closed when they are bad."""

from dataclasses import replace

import pytest
from settings_loading import load, load_file

from opentelemetry.instrumentation.concurrency.settings import Settings, debug_address_refusal


class TestSecurity:
    @pytest.mark.parametrize(
        ("name", "value", "closed"),
        [
            ("agent_disabled", "maybe", {"agent_disabled": True}),
            ("agent_dir", "relative/dir", {"agent_disabled": True}),
            ("agent_dir", 5, {"agent_disabled": True}),
            ("allow_cancel", "si", {}),
            ("debug_insecure", "si", {}),
            ("debug_address", "here", {}),
        ],
    )
    def test_bad_value_falls_to_the_closed_state(self, name, value, closed):
        """What guards a door stays shut when it can not be read; the warning says so."""
        for options, environ in (({name: value}, {}), ({}, {name.upper(): value})):
            settings, (warning,) = load(options, **environ)
            assert settings == replace(Settings(), **closed)
            assert "Using the default" not in warning
        assert load_file({name: value})[0] == settings

    @pytest.mark.parametrize("name", ["debug_token", "debug_token_file", "debug_tls_cert", "debug_tls_key"])
    def test_bad_guard_of_the_endpoint_closes_the_endpoint(self, name):
        """A token that can not be read must not leave an endpoint that asks for none."""
        settings, (warning,) = load({name: 42, "debug_address": "127.0.0.1:6080"})
        assert settings == Settings()
        assert warning.endswith(". The debug endpoint stays closed.")

    def test_closed_state_is_named_by_its_variable(self):
        """As the reader would set it."""
        _, (warning,) = load({}, ALLOW_CANCEL="si")
        assert warning.endswith(". Using OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL=false.")

    def test_bad_keyword_of_security_setting_stays_closed(self):
        """The closed state is final, whatever the other sources say."""
        settings, _ = load({"allow_cancel": "si", "agent_disabled": "maybe"}, ALLOW_CANCEL="1", AGENT_DISABLED="0")
        assert (settings.allow_cancel, settings.agent_disabled) == (False, True)

    @pytest.mark.parametrize("token", [424242, b"424242", ["424242"], 4242.42])
    def test_token_is_never_shown(self, token):
        """Neither a warning nor a repr carries it."""
        for _, warnings in (load({"debug_token": token}), load_file({"debug_token": token})):
            assert len(warnings) == 1 and "4242" not in warnings[0] and "<secret>" in warnings[0]
        settings, warnings = load(DEBUG_TOKEN="hunter2")
        assert (settings.debug_token, warnings) == ("hunter2", [])
        assert "hunter2" not in repr(settings) and "hunter2" not in str(settings)

    def test_misspelt_token_variable_does_not_show_its_value(self):
        """Unknown variables are called by name alone."""
        _, (warning,) = load(DEBUG_TOKNE="hunter2")
        assert "hunter2" not in warning and "DEBUG_TOKEN" in warning

    @pytest.mark.parametrize(
        "address",
        ["127.0.0.1:6080", "localhost:0", "0.0.0.0:65535", "[::1]:6080", "unix:/run/app-{pid}.sock", "app.local:80"],
    )
    def test_address_forms(self, address):
        """Host and port, IPv6 in brackets, or a unix socket."""
        assert load(DEBUG_ADDRESS=address) == (Settings(debug_address=address), [])

    @pytest.mark.parametrize(
        "address",
        [
            "6080",
            ":6080",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "127.0.0.1:-1",
            "127.0.0.1:²",
            "::1:6080",
            "unix:",
            "unix:/",
            "unix:relative",
            "http://127.0.0.1:6080",
            "127.0.0.1:6080/",
            "a b:1",
            "h:" + "9" * 5000,
        ],
    )
    def test_other_addresses_are_refused(self, address):
        """A port alone would be every interface; nothing is guessed."""
        settings, (warning,) = load(DEBUG_ADDRESS=address)
        assert settings == Settings() and "host:port" in warning

    def test_allow_cancel_is_honoured_from_code_and_environment(self):
        """Both are in the hands of who runs the process."""
        assert load({"allow_cancel": True}) == load(ALLOW_CANCEL="on") == (Settings(allow_cancel=True), [])

    def test_file_cannot_allow_cancel(self):
        """A file does not open the door; what the environment says still holds."""
        settings, (warning,) = load_file({"allow_cancel": True})
        assert settings == Settings() and "only in the environment or in code" in warning
        settings, (warning,) = load_file({"allow_cancel": "yes"}, ALLOW_CANCEL="true")
        assert settings.allow_cancel and "ignored" in warning

    def test_file_can_refuse_cancel(self):
        """Closing is allowed from everywhere, and a bad value closes."""
        assert load_file({"allow_cancel": False}, ALLOW_CANCEL="true") == (Settings(), [])
        assert load_file({"allow_cancel": "perhaps"}, ALLOW_CANCEL="true")[0] == Settings()


class TestDebugAddressRefusal:
    @pytest.mark.parametrize(
        "address", ["", "127.0.0.1:6080", "127.8.8.8:1", "localhost:6080", "LOCALHOST:1", "[::1]:6080", "unix:/a.sock"]
    )
    def test_own_machine_needs_nothing(self, address):
        """Loopback and unix sockets are as private as the machine."""
        assert debug_address_refusal(Settings(debug_address=address)) is None

    @pytest.mark.parametrize(
        "address", ["0.0.0.0:6080", "[::]:6080", "10.0.0.1:1", "app.local:80", "127.1:80", "localhost.example.org:80"]
    )
    def test_reachable_address_needs_token_and_tls(self, address):
        """Who can be reached from outside asks for a token and does not send it in clear."""
        open_to_all = Settings(debug_address=address)
        assert "DEBUG_TOKEN" in debug_address_refusal(open_to_all)
        assert "DEBUG_TOKEN" in debug_address_refusal(replace(open_to_all, debug_insecure=True))
        tls = {"debug_tls_cert": "c.pem", "debug_tls_key": "k.pem"}
        assert "DEBUG_TOKEN" in debug_address_refusal(replace(open_to_all, **tls))
        for token in ({"debug_token": "hunter2"}, {"debug_token_file": "/run/token"}):
            refusal = debug_address_refusal(replace(open_to_all, **token))
            assert "DEBUG_TLS_CERT" in refusal and "hunter2" not in refusal
            assert debug_address_refusal(replace(open_to_all, **token, **tls)) is None
            assert debug_address_refusal(replace(open_to_all, **token, debug_insecure=True)) is None

    @pytest.mark.parametrize("half", [{"debug_tls_cert": "c.pem"}, {"debug_tls_key": "k.pem"}])
    def test_half_of_a_key_pair_is_refused_everywhere(self, half):
        """Who set one of them expects TLS, on loopback too."""
        settings = Settings(debug_address="127.0.0.1:6080", debug_token="t", debug_insecure=True, **half)
        assert "belong together" in debug_address_refusal(settings)
