"""The benchmark: our whole verified run beside other engines' unverified one (`make bench`)."""
