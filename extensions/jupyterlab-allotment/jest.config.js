module.exports = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/src/tests/*.test.ts'],
  transform: { '^.+\\.tsx?$': ['ts-jest', { tsconfig: { module: 'commonjs', types: ['jest', 'node'], composite: false } }] }
};
