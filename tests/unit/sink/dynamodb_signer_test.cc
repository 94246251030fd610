#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>

#include "sink/dynamodb/credentials.h"
#include "sink/dynamodb/endpoint.h"
#include "sink/dynamodb/signer.h"
#include "state/error.h"

namespace tandem::sink {
namespace {

// The access key that AWS publishes with its signing test suite.
const Credentials kExample = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};

std::string signature(const std::string& authorization) {
  return authorization.substr(authorization.rfind('=') + 1);
}

TEST(Signer, GivesThePublishedSignatures) {
  Signer signer("us-east-1", "service");
  const std::string date = "20150830T123600Z";
  const Signer::Headers headers = {{"host", "example.amazonaws.com"}, {"x-amz-date", date}};
  EXPECT_EQ(signature(signer.sign(kExample, "GET", headers, "", date)),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_EQ(signature(signer.sign(kExample, "POST", headers, "", date)),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

TEST(Signer, SignsBodyTokenAndTarget) {
  // The expected value was computed by botocore for the same request.
  Signer signer("eu-west-1", "dynamodb");
  const std::string date = Signer::format_date(1709168523);
  EXPECT_EQ(date, "20240229T010203Z");
  const Signer::Headers headers = {{"content-type", "application/x-amz-json-1.0"},
                                   {"host", "dynamodb.eu-west-1.amazonaws.com"},
                                   {"x-amz-date", date},
                                   {"x-amz-security-token", "TOKEN"},
                                   {"x-amz-target", "DynamoDB_20120810.DescribeTable"}};
  EXPECT_EQ(signer.sign(kExample, "POST", headers, R"({"TableName":"T"})", date),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20240229/eu-west-1/dynamodb/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
            "Signature=c2dcf964f1bf0c9ac8687ea27fbe2fd223863df9d4cacbc5ffc736f3575da620");
}

TEST(Signer, DerivesAnotherKeyForAnotherDayAndSecret) {
  Signer signer("us-east-1", "service");
  const Signer::Headers headers = {{"host", "h"}};
  const std::string first = signer.sign(kExample, "POST", headers, "", "20150830T123600Z");
  const std::string next_day = signer.sign(kExample, "POST", headers, "", "20150831T123600Z");
  EXPECT_NE(signature(first), signature(next_day));
  EXPECT_EQ(signer.sign(kExample, "POST", headers, "", "20150830T123600Z"), first);
  Credentials other = kExample;
  other.secret_key = "another";
  EXPECT_NE(signer.sign(other, "POST", headers, "", "20150830T123600Z"), first);
}

class Profiles : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "profiles_" + std::to_string(::getpid());
    credentials_ = directory_ + "_credentials";
    config_ = directory_ + "_config";
    variables_ = {{"AWS_SHARED_CREDENTIALS_FILE", credentials_}, {"AWS_CONFIG_FILE", config_}};
  }
  void TearDown() override {
    std::remove(credentials_.c_str());
    std::remove(config_.c_str());
  }
  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }
  Environment environment() {
    return [this](const char* name) -> std::optional<std::string> {
      auto variable = variables_.find(name);
      if (variable == variables_.end()) return std::nullopt;
      return variable->second;
    };
  }

  std::string directory_, credentials_, config_;
  std::map<std::string, std::string> variables_;
};

TEST_F(Profiles, EnvironmentComesFirst) {
  write(credentials_, "[default]\naws_access_key_id = FILE\naws_secret_access_key = SECRET\n");
  EXPECT_EQ(load_credentials(environment(), false).access_key, "FILE");
  variables_["AWS_ACCESS_KEY_ID"] = "ENV";
  EXPECT_THROW(load_credentials(environment(), false), state::Error);
  variables_["AWS_SECRET_ACCESS_KEY"] = "ENVSECRET";
  variables_["AWS_SESSION_TOKEN"] = "TOKEN";
  const Credentials credentials = load_credentials(environment(), false);
  EXPECT_EQ(credentials.access_key, "ENV");
  EXPECT_EQ(credentials.secret_key, "ENVSECRET");
  EXPECT_EQ(credentials.session_token, "TOKEN");
}

TEST_F(Profiles, NamedProfilesAreReadFromBothFiles) {
  write(credentials_,
        "# mine\n[default]\naws_access_key_id=A\naws_secret_access_key=B\n\n"
        "[work]\n  nested = no\naws_access_key_id =  C  # comment\naws_secret_access_key = D=/+\n");
  write(config_, "[default]\nregion = eu-west-1\n[profile work]\nregion=eu-central-1\n");
  EXPECT_EQ(resolve_region("", environment(), false), "eu-west-1");
  variables_["AWS_PROFILE"] = "work";
  const Credentials credentials = load_credentials(environment(), false);
  EXPECT_EQ(credentials.access_key, "C");
  EXPECT_EQ(credentials.secret_key, "D=/+");
  EXPECT_EQ(resolve_region("", environment(), false), "eu-central-1");
  variables_["AWS_REGION"] = "us-west-2";
  EXPECT_EQ(resolve_region("", environment(), false), "us-west-2");
  EXPECT_EQ(resolve_region("sa-east-1", environment(), false), "sa-east-1");
}

TEST_F(Profiles, MissingOnesAreSaidWithoutSecrets) {
  try {
    load_credentials(environment(), false);
    FAIL() << "no credentials were found, and none missed";
  } catch (const state::Error& error) {
    EXPECT_NE(std::string(error.what()).find(credentials_), std::string::npos);
  }
  write(config_, "[default]\nsso_session = corp\naws_secret_access_key = HIDDEN\n");
  try {
    load_credentials(environment(), false);
    FAIL();
  } catch (const state::Error& error) {
    EXPECT_EQ(std::string(error.what()).find("HIDDEN"), std::string::npos);
  }
  EXPECT_FALSE(load_credentials(environment(), true).access_key.empty());
  EXPECT_THROW(resolve_region("", environment(), false), state::Error);
  EXPECT_EQ(resolve_region("", environment(), true), "us-east-1");
}

TEST(Endpoint, ResolvesRegionsAndGivenAddresses) {
  EXPECT_EQ(resolve_endpoint("", "eu-west-1").url, "https://dynamodb.eu-west-1.amazonaws.com/");
  EXPECT_EQ(resolve_endpoint("", "cn-north-1").host, "dynamodb.cn-north-1.amazonaws.com.cn");
  const Endpoint local = resolve_endpoint("http://127.0.0.1:8000", "x");
  EXPECT_EQ(local.host, "127.0.0.1:8000");
  EXPECT_TRUE(local.local);
  EXPECT_FALSE(local.encrypted);
  EXPECT_EQ(resolve_endpoint("https://vpce.example:443/", "x").host, "vpce.example");
  EXPECT_FALSE(resolve_endpoint("https://vpce.example", "x").local);
  EXPECT_EQ(resolve_endpoint("http://[::1]:8000", "x").host, "[::1]:8000");
  for (const char* wrong : {"127.0.0.1:8000", "ftp://host", "http://", "http://host/path",
                            "http://user:secret@host", "http://host:port", "http://a b"}) {
    EXPECT_THROW(resolve_endpoint(wrong, "x"), state::Error) << wrong;
  }
}

}  // namespace
}  // namespace tandem::sink
