"""Who connects to the broker that asks for a password: a config's properties, and the environment of each."""

PASSWORDS = {user: f"{user}-correct-horse" for user in ("tandem", "init", "capture", "apply", "reader", "check")}


def properties(authority, **changes):
    """For through_kafka(); the user is whom the environment names. A property of None is left out."""
    made = {
        "security.protocol": "SASL_SSL", "sasl.mechanisms": "PLAIN", "sasl.username": '"${KAFKA_USER}"',
        "sasl.password": '"${KAFKA_PASSWORD}"', "ssl.ca.location": authority.certificate,
        **{name.replace("_", "."): value for name, value in changes.items()},
    }
    return {name: value for name, value in made.items() if value}


def of(user):
    return {"KAFKA_USER": user, "KAFKA_PASSWORD": PASSWORDS[user]}
