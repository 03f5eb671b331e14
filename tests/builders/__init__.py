"""What tests are made of: real packages and archives, built small and in memory."""
